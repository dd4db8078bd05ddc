// Command cert-manager is the controller, the webhook and the CA injector in one binary.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	injector "github.com/cert-manager/cert-manager/cmd/cainjector/app"
	controller "github.com/cert-manager/cert-manager/cmd/controller/app"
	"github.com/cert-manager/cert-manager/cmd/util"
	webhook "github.com/cert-manager/cert-manager/cmd/webhook/app"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	stop, exit := util.SetupExitHandler(util.GracefulShutdown)
	defer exit() // may call os.Exit, so it runs last
	logf.InitLogs(flag.CommandLine)
	defer logf.FlushLogs()

	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "controller":
		command = controller.NewCommandStartCertManagerController(stop)
	case "webhook":
		command = webhook.NewServerCommand(stop)
	case "cainjector":
		ctrl.SetLogger(logf.Log)
		command = injector.NewCommandStartInjectorController(util.ContextWithStopCh(context.Background(), stop), os.Stdout, os.Stderr)
	default:
		fmt.Fprintf(os.Stderr, "%s is no cert-manager program\n", name)
		os.Exit(2)
	}
	command.Flags().AddGoFlagSet(flag.CommandLine)
	_ = flag.CommandLine.Parse([]string{})
	if err := command.Execute(); err != nil {
		logf.Log.Error(err, "error while executing")
		util.SetExitCode(err)
	}
}
