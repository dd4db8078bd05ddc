package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-lib-utils/metrics"
	provisioning "github.com/kubernetes-csi/external-provisioner/v6/pkg/controller"
	resizing "github.com/kubernetes-csi/external-resizer/v2/pkg/controller"
	resizerclient "github.com/kubernetes-csi/external-resizer/v2/pkg/csi"
	"github.com/kubernetes-csi/external-resizer/v2/pkg/resizer"
	"google.golang.org/grpc"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	csitrans "k8s.io/csi-translation-lib"
	"k8s.io/klog/v2"
	lib "sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	callTimeout  = 10 * time.Second
	resyncPeriod = 10 * time.Minute
	retryFirst   = 200 * time.Millisecond // a directory is made or it is not: there is no slow backend to wait for
	retryLast    = 30 * time.Second
	resizers     = 4
	provisioners = 4
	// A new home asks for both its volumes at once; client-go's 5 a second would make the second wait for the first.
	requestsPerSecond, requestsAtOnce = 50, 100
)

// runControllers serves the driver to itself, as sidecars of one pod would, and runs provisioner and resizer on it. All
// share one client and one cache of claims and volumes.
func runControllers(ctx context.Context, p pool) error {
	address, err := serveController(ctx, p)
	if err != nil {
		return err
	}
	client, err := connectToCluster()
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, resyncPeriod)
	provisioner, err := newProvisioner(ctx, client, factory, address)
	if err != nil {
		return err
	}
	resizer, err := newResizer(ctx, client, factory, address)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go resizer.Run(resizers, ctx, nil)
	provisioner.Run(ctx)
	return nil
}

func serveController(ctx context.Context, p pool) (string, error) {
	directory, err := os.MkdirTemp("", driverName)
	if err != nil {
		return "", err
	}
	socket := filepath.Join(directory, "csi.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return "", err
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, identity{})
	csi.RegisterControllerServer(server, controller{pool: p})
	go func() { klog.Fatal(server.Serve(listener)) }()
	return "unix://" + socket, nil
}

func connectToCluster() (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst, config.ContentType = requestsPerSecond, requestsAtOnce, runtime.ContentTypeProtobuf
	return kubernetes.NewForConfig(config)
}

func newProvisioner(
	ctx context.Context, client kubernetes.Interface, factory informers.SharedInformerFactory, address string,
) (*lib.ProvisionController, error) {
	connection, err := provisioning.Connect(ctx, address, metrics.NewCSIMetricsManager(driverName))
	if err != nil {
		return nil, err
	}
	plugin, abilities, err := provisioning.GetDriverCapabilities(connection, callTimeout)
	if err != nil {
		return nil, err
	}
	claims := factory.Core().V1().PersistentVolumeClaims()
	classes := factory.Storage().V1().StorageClasses()
	makes := provisioning.NewCSIProvisioner(
		client, callTimeout, driverName, "pvc", -1, connection,
		nil, // snapshots: none
		driverName, plugin, abilities,
		"",           // in-tree driver to migrate from: none
		false, false, // topology: none
		csitrans.New(), classes.Lister(),
		nil, nil, // nodes: every node reaches every volume
		claims.Lister(),
		nil, nil, // attachments, grants across namespaces: none
		false, "", nil, false, false, nil,
	)
	return lib.NewProvisionController(ctx, client, driverName, makes,
		lib.LeaderElection(false), // one pod, replaced only when it is gone
		lib.AddFinalizer(true),
		lib.ClaimsInformer(claims.Informer()),
		lib.VolumesInformer(factory.Core().V1().PersistentVolumes().Informer()),
		lib.ClassesInformer(classes.Informer()),
		lib.FailedProvisionThreshold(0), // never give up
		lib.FailedDeleteThreshold(0),
		lib.RateLimiter(workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryLast)),
		lib.Threadiness(provisioners),
	), nil
}

func newResizer(
	ctx context.Context, client kubernetes.Interface, factory informers.SharedInformerFactory, address string,
) (resizing.ResizeController, error) {
	driver, err := resizerclient.New(ctx, address, callTimeout, metrics.NewCSIMetricsManager(driverName))
	if err != nil {
		return nil, err
	}
	grows, err := resizer.NewResizerFromClient(driver, callTimeout, client, driverName)
	if err != nil {
		return nil, err
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryLast)
	return resizing.NewResizeController(driverName, grows, client, resyncPeriod, factory, limiter, false, retryLast), nil
}
