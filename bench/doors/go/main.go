// The programs around the gateway that its measurement needs: an Ollama without a model, a proxy to compare with, and
// clients. They are in Go so that what they take of the machine is small beside what is measured.
package main

import (
	"fmt"
	"os"
)

func main() {
	programs := map[string]func([]string){"ollama": ollama, "proxy": proxy, "clients": clients}
	if len(os.Args) > 1 {
		if program, known := programs[os.Args[1]]; known {
			program(os.Args[2:])
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: doors ollama|proxy|clients …")
	os.Exit(2)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
