// Command cilium is the agent, the operator, the CNI plugin and the diagnostic tool in one binary.
//
// The four share most of their packages; a symbolic link per name chooses the program.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	dbg "github.com/cilium/cilium/cilium-dbg/cmd"
	agent "github.com/cilium/cilium/daemon/cmd"
	operator "github.com/cilium/cilium/operator/cmd"
	"github.com/cilium/cilium/pkg/hive"
	cni "github.com/cilium/cilium/plugins/cilium-cni/cmd"
)

func init() {
	// The CNI plugin moves its thread between network namespaces.
	if filepath.Base(os.Args[0]) == "cilium-cni" {
		runtime.LockOSThread()
	}
}

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "cilium-agent":
		agent.Execute(agent.NewAgentCmd(func() *hive.Hive { return hive.New(agent.Agent) }))
	case "cilium-operator-generic":
		operator.Execute(operator.NewOperatorCmd(hive.New(operator.Operator())))
	case "cilium-cni":
		cni.PluginMain()
	case "cilium-dbg":
		dbg.Execute()
	default:
		fmt.Fprintf(os.Stderr, "%s is no Cilium program\n", name)
		os.Exit(2)
	}
}
