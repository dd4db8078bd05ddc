// Command storage is the sandbox's CSI driver: volumes that grow, and that every node sees.
//
// A volume is a directory of one pool that all nodes mount at the same place, as they would share a storage network. So
// nothing is attached, no volume is bound to a node, and a home whose node stops starts on another one with its data.
// `storage node` mounts volumes into the pods of one node; `storage controller` makes, grows and removes them, with
// Kubernetes' own provisioner and resizer in the same process.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
)

const usage = `usage: storage controller POOL
       storage node POOL NODE SOCKET`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	switch words := os.Args[1:]; {
	case len(words) == 2 && words[0] == "controller":
		err = runControllers(ctx, pool(words[1]))
	case len(words) == 4 && words[0] == "node":
		err = runNode(ctx, pool(words[1]), words[2], words[3])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		klog.Fatal(err)
	}
}
