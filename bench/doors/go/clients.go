package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type report struct {
	Seconds  float64        `json:"seconds"`
	Requests int            `json:"requests"`
	Errors   int            `json:"errors"`
	Statuses map[string]int `json:"statuses"`
	FirstMS  spread         `json:"first_ms"` // from the request to the first byte of the answer's body
	WholeMS  spread         `json:"whole_ms"`
	LagMS    spread         `json:"lag_ms"` // of pieces after the first, from when they were sent
}

type tally struct {
	first, whole, lags []float64
	statuses           map[string]int
	errors             int
}

// clients ask again and again for a while, each on its own connection, and report how it went.
func clients(words []string) {
	flags := flag.NewFlagSet("clients", flag.ExitOnError)
	url := flags.String("url", "", "where")
	body := flags.String("body", "", "file that is sent")
	keys := flags.String("keys", "", "file of keys; client i has line i")
	count := flags.Int("count", 1, "clients")
	seconds := flags.Float64("seconds", 5, "for how long new requests begin")
	spreadOver := flags.Float64("spread", 0, "the clients begin within so many seconds")
	first := flags.Int("first", 0, "client i has the key of line i + first")
	rotate := flags.Bool("rotate", false, "a client takes another key for each request")
	rate := flags.Float64("rate", 0, "requests a second of each client; 0: without a pause")
	check(flags.Parse(words))
	text, err := os.ReadFile(*body)
	check(err)
	known := []string{""}
	if *keys != "" {
		lines, err := os.ReadFile(*keys)
		check(err)
		known = strings.Fields(string(lines))
	}
	transport := &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 4096, DisableCompression: true}
	client := &http.Client{Transport: transport}
	begun := time.Now()
	end := begun.Add(time.Duration(*seconds * float64(time.Second)))
	found := make([]tally, *count)
	var all sync.WaitGroup
	for number := range found {
		all.Add(1)
		go func() {
			defer all.Done()
			mine := &found[number]
			mine.statuses = map[string]int{}
			time.Sleep(time.Duration(rand.Float64() * *spreadOver * float64(time.Second)))
			next := time.Now()
			for turn := 0; turn == 0 || time.Now().Before(end); turn++ {
				place := *first + number
				if *rotate {
					place += turn * *count
				}
				key := known[place%len(known)]
				ask(client, *url, key, text, mine)
				if *rate > 0 {
					next = next.Add(time.Duration(float64(time.Second) / *rate))
					time.Sleep(time.Until(next))
				}
			}
		}()
	}
	all.Wait()
	check(json.NewEncoder(os.Stdout).Encode(sum(found, time.Since(begun).Seconds())))
}

func ask(client *http.Client, url, key string, body []byte, mine *tally) {
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	check(err)
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	begun := time.Now()
	response, err := client.Do(request)
	if err != nil {
		mine.errors++
		mine.statuses[fmt.Sprintf("%.80s", err.Error())]++
		return
	}
	defer response.Body.Close()
	mine.statuses[strconv.Itoa(response.StatusCode)]++
	lines, first := bufio.NewReaderSize(response.Body, 64*1024), true
	for {
		line, err := lines.ReadBytes('\n')
		now := time.Now()
		if len(line) > 0 && first {
			mine.first = append(mine.first, milliseconds(now.Sub(begun)))
		} else if sent := stamped(line); sent > 0 {
			mine.lags = append(mine.lags, float64(now.UnixNano()-sent)/1e6)
		}
		first = first && len(line) == 0
		if err != nil {
			if err != io.EOF || response.StatusCode != 200 {
				mine.errors++
			}
			break
		}
	}
	mine.whole = append(mine.whole, milliseconds(time.Since(begun)))
}

// stamped returns what a stamp in a line says, 0 if there is none.
func stamped(line []byte) int64 {
	_, after, found := bytes.Cut(line, []byte("@"))
	digits, _, closed := bytes.Cut(after, []byte("@"))
	if !found || !closed {
		return 0
	}
	sent, _ := strconv.ParseInt(string(digits), 10, 64)
	return sent
}

func sum(found []tally, seconds float64) report {
	all := tally{statuses: map[string]int{}}
	for _, each := range found {
		all.first, all.whole = append(all.first, each.first...), append(all.whole, each.whole...)
		all.lags, all.errors = append(all.lags, each.lags...), all.errors+each.errors
		for status, count := range each.statuses {
			all.statuses[status] += count
		}
	}
	return report{
		seconds, len(all.whole), all.errors, all.statuses, spreadOf(all.first), spreadOf(all.whole), spreadOf(all.lags),
	}
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sort.Float64s(values)
	at := func(share float64) float64 { return values[int(float64(len(values)-1)*share)] }
	return spread{len(values), at(0.5), at(0.95), at(0.99), at(1)}
}

func milliseconds(duration time.Duration) float64 {
	return float64(duration.Microseconds()) / 1000
}
