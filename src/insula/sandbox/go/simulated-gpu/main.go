// Command simulated-gpu tells the kubelet of GPUs that do not exist, over the kubelet's own device plugin API.
//
// What it proves is everything around a GPU: resources, quotas, scheduling, sharing, failure and return. Nothing
// computes on its devices. It is named simulated wherever it is seen.
//
//	simulated-gpu serve RESOURCE DEVICES REPLICAS   advertise DEVICES, each under REPLICAS names
//	simulated-gpu fail DEVICE | heal DEVICE         change a device's health, in the pod that serves
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	failedDir = "/run/simulated-gpu" // holds a file for each device that is failed
	look      = 200 * time.Millisecond
	rpcLimit  = 10 * time.Second
)

type plugin struct {
	api.UnimplementedDevicePluginServer
	devices  []string
	replicas int
}

// list returns every share with the health of its device. A share is named as NVIDIA's plugin names it: DEVICE::n.
func (p *plugin) list() []*api.Device {
	var shares []*api.Device
	for _, device := range p.devices {
		health := api.Healthy
		if _, err := os.Stat(filepath.Join(failedDir, device)); err == nil {
			health = api.Unhealthy
		}
		if p.replicas == 1 {
			shares = append(shares, &api.Device{ID: device, Health: health})
			continue
		}
		for n := range p.replicas {
			shares = append(shares, &api.Device{ID: fmt.Sprintf("%s::%d", device, n), Health: health})
		}
	}
	return shares
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{GetPreferredAllocationAvailable: true}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream grpc.ServerStreamingServer[api.ListAndWatchResponse]) error {
	var told []*api.Device
	for {
		shares := p.list()
		if !slices.EqualFunc(told, shares, func(a, b *api.Device) bool { return a.ID == b.ID && a.Health == b.Health }) {
			if err := stream.Send(&api.ListAndWatchResponse{Devices: shares}); err != nil {
				return err
			}
			told = shares
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-time.After(look):
		}
	}
}

// GetPreferredAllocation fills the first device before the next: homes are packed, and a whole device stays free.
func (p *plugin) GetPreferredAllocation(_ context.Context, request *api.PreferredAllocationRequest) (*api.PreferredAllocationResponse, error) {
	answer := &api.PreferredAllocationResponse{}
	for _, container := range request.ContainerRequests {
		chosen := slices.Clone(container.MustIncludeDeviceIDs)
		available := slices.Clone(container.AvailableDeviceIDs)
		sort.Strings(available)
		for _, id := range available {
			if len(chosen) < int(container.AllocationSize) && !slices.Contains(chosen, id) {
				chosen = append(chosen, id)
			}
		}
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerPreferredAllocationResponse{DeviceIDs: chosen})
	}
	return answer, nil
}

func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		var devices []string
		for _, id := range container.DevicesIds {
			device, _, _ := strings.Cut(id, "::")
			if !slices.Contains(devices, device) {
				devices = append(devices, device)
			}
		}
		environment := map[string]string{"SIMULATED_GPU_DEVICES": strings.Join(devices, ",")}
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{Envs: environment})
	}
	return answer, nil
}

func register(resource, endpoint string) error {
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), rpcLimit)
	defer cancel()
	_, err = api.NewRegistrationClient(connection).Register(ctx, &api.RegisterRequest{
		Version:      api.Version,
		Endpoint:     endpoint,
		ResourceName: resource,
		Options:      &api.DevicePluginOptions{GetPreferredAllocationAvailable: true},
	})
	return err
}

func serve(resource string, devices, replicas int) error {
	p := &plugin{replicas: replicas}
	for n := range devices {
		p.devices = append(p.devices, fmt.Sprintf("simulated-%d", n))
	}
	endpoint := "simulated-" + strings.ReplaceAll(resource, "/", "-") + ".sock"
	socket := filepath.Join(api.DevicePluginPath, endpoint)
	if err := os.RemoveAll(socket); err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, p)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if err := register(resource, endpoint); err != nil {
		return err
	}
	log.Printf("registered %d × %d of %s (simulated)", devices, replicas, resource)
	for {
		select {
		case err := <-failed:
			return err
		case <-time.After(time.Second):
			// A kubelet that starts anew removes all sockets; whoever is started anew then registers again.
			if _, err := os.Stat(socket); err != nil {
				return fmt.Errorf("the kubelet started anew: %w", err)
			}
		}
	}
}

func run(words []string) error {
	switch {
	case len(words) == 4 && words[0] == "serve":
		devices, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		replicas, err := strconv.Atoi(words[3])
		if err != nil {
			return err
		}
		return serve(words[1], devices, replicas)
	case len(words) == 2 && words[0] == "fail":
		return os.WriteFile(filepath.Join(failedDir, words[1]), nil, 0o600)
	case len(words) == 2 && words[0] == "heal":
		return os.RemoveAll(filepath.Join(failedDir, words[1]))
	}
	return fmt.Errorf("usage: simulated-gpu serve RESOURCE DEVICES REPLICAS | fail DEVICE | heal DEVICE")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}
