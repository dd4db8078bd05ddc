package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// node mounts volumes into the pods of one node.
type node struct {
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer
	pool   pool
	name   string
	socket string
}

// runNode serves on a socket in kubelet's directory of plugins, where kubelet finds it and asks what it is.
func runNode(ctx context.Context, p pool, name, socket string) error {
	if err := os.Remove(socket); err != nil && !isMissing(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server, service := grpc.NewServer(), &node{pool: p, name: name, socket: socket}
	csi.RegisterIdentityServer(server, identity{})
	csi.RegisterNodeServer(server, service)
	registration.RegisterRegistrationServer(server, service)
	context.AfterFunc(ctx, server.GracefulStop)
	return server.Serve(listener)
}

func (n *node) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: driverName, Endpoint: n.socket, SupportedVersions: []string{"1.0.0"}}, nil
}

// NotifyRegistrationStatus ends a driver that kubelet does not take: started again, it is offered again.
func (n *node) NotifyRegistrationStatus(_ context.Context, said *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !said.GetPluginRegistered() {
		klog.Fatalf("kubelet does not take the driver: %s", said.GetError())
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func (n *node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.name}, nil
}

func (n *node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{Capabilities: []*csi.NodeServiceCapability{
		{Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{
			Type: csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER}}},
	}}, nil
}

func (n *node) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	id, target := request.GetVolumeId(), request.GetTargetPath()
	if id == "" || target == "" || request.GetVolumeCapability() == nil {
		return nil, status.Error(codes.InvalidArgument, "no volume, no target or no capability is named")
	}
	if err := check(request.GetVolumeCapability()); err != nil {
		return nil, err
	}
	if _, err := find(n.pool, id); err != nil {
		return nil, err
	}
	mounted, err := n.targets(id)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if mounted[target] {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	alone := request.GetVolumeCapability().GetAccessMode().GetMode() == csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER
	if alone && len(mounted) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "volume %s is for one pod and has it", id)
	}
	if err := mount(n.pool.data(id), target, request.GetReadonly()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (n *node) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetTargetPath() == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume or no target is named")
	}
	if err := unmount(request.GetTargetPath()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// targets returns where a volume is mounted. The kernel knows; nothing is remembered.
func (n *node) targets(id string) (map[string]bool, error) {
	end := "/" + id + "/data"
	found, err := mountinfo.GetMounts(func(info *mountinfo.Info) (skip, stop bool) {
		return !strings.HasSuffix(info.Root, end), false
	})
	targets := map[string]bool{}
	for _, info := range found {
		targets[info.Mountpoint] = true
	}
	return targets, err
}

// mount shows a directory at another place, where no program gains rights and no device works. The flags are set before
// the mount is: set afterwards, they would stay in this container's view and not reach the node's.
func mount(source, target string, readOnly bool) error {
	if err := os.MkdirAll(target, 0o750); err != nil {
		return err
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	flags := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if readOnly {
		flags.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &flags); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: source, Err: err}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: target, Err: err}
	}
	return nil
}

// unmount ends a mount and removes its mount point: never more than an empty directory, so never data.
func unmount(target string) error {
	err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // EINVAL: nothing is mounted there
		return &os.PathError{Op: "unmount", Path: target, Err: err}
	}
	if err := os.Remove(target); err != nil && !isMissing(err) {
		return err
	}
	return nil
}
