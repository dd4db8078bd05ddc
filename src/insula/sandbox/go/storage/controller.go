package main

import (
	"context"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	driverName   = "volumes.insula.dev"
	driverVer    = "1"
	defaultBytes = 1 << 30
)

// identity says what the driver is.
type identity struct {
	csi.UnimplementedIdentityServer
}

func (identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driverName, VendorVersion: driverVer}, nil
}

func (identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{
		{Type: &csi.PluginCapability_Service_{Service: &csi.PluginCapability_Service{
			Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}}},
		{Type: &csi.PluginCapability_VolumeExpansion_{VolumeExpansion: &csi.PluginCapability_VolumeExpansion{
			Type: csi.PluginCapability_VolumeExpansion_ONLINE}}},
	}}, nil
}

func (identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

// controller makes, grows and removes volumes of its pool.
type controller struct {
	csi.UnimplementedControllerServer
	pool pool
}

func (controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_EXPAND_VOLUME,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: kind}}})
	}
	return response, nil
}

func (c controller) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	id, asked := request.GetName(), request.GetCapacityRange()
	if !ids.MatchString(id) {
		return nil, status.Errorf(codes.InvalidArgument, "a volume's name is up to 128 letters, digits, dots and dashes, not %q", id)
	}
	if err := check(request.GetVolumeCapabilities()...); err != nil {
		return nil, err
	}
	if request.GetVolumeContentSource() != nil {
		return nil, status.Error(codes.InvalidArgument, "volumes begin empty: there are no snapshots and no clones")
	}
	bytes, err := c.pool.find(id)
	switch {
	case err == nil && !fits(bytes, asked):
		return nil, status.Errorf(codes.AlreadyExists, "volume %s has %d bytes", id, bytes)
	case err == nil:
		return created(id, bytes), nil
	case !isMissing(err):
		return nil, status.Error(codes.Internal, err.Error())
	}
	if bytes = size(asked); !fits(bytes, asked) {
		return nil, status.Error(codes.OutOfRange, "more bytes are required than the limit allows")
	}
	if err := c.pool.create(id, bytes); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return created(id, bytes), nil
}

func (c controller) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if request.GetVolumeId() == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume is named")
	}
	if err := c.pool.remove(request.GetVolumeId()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.DeleteVolumeResponse{}, nil
}

// ControllerExpandVolume writes the new size down. Pods need not know: there is no file system of that size to grow.
func (c controller) ControllerExpandVolume(_ context.Context, request *csi.ControllerExpandVolumeRequest) (*csi.ControllerExpandVolumeResponse, error) {
	asked := request.GetCapacityRange()
	if request.GetVolumeId() == "" || asked == nil {
		return nil, status.Error(codes.InvalidArgument, "no volume or no size is named")
	}
	bytes, err := find(c.pool, request.GetVolumeId())
	if err != nil {
		return nil, err
	}
	bytes = max(bytes, asked.GetRequiredBytes())
	if !fits(bytes, asked) {
		return nil, status.Errorf(codes.OutOfRange, "volume %s has %d bytes and cannot shrink", request.GetVolumeId(), bytes)
	}
	if err := c.pool.grow(request.GetVolumeId(), bytes); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.ControllerExpandVolumeResponse{CapacityBytes: bytes}, nil
}

func (c controller) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" || len(request.GetVolumeCapabilities()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no volume or no capability is named")
	}
	if _, err := find(c.pool, request.GetVolumeId()); err != nil {
		return nil, err
	}
	if err := check(request.GetVolumeCapabilities()...); err != nil {
		return &csi.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext:      request.GetVolumeContext(),
		VolumeCapabilities: request.GetVolumeCapabilities(),
		Parameters:         request.GetParameters(),
	}}, nil
}

func created(id string, bytes int64) *csi.CreateVolumeResponse {
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{VolumeId: id, CapacityBytes: bytes}}
}

func size(asked *csi.CapacityRange) int64 {
	if asked.GetRequiredBytes() > 0 {
		return asked.GetRequiredBytes()
	}
	if asked.GetLimitBytes() > 0 {
		return min(asked.GetLimitBytes(), defaultBytes)
	}
	return defaultBytes
}

func fits(bytes int64, asked *csi.CapacityRange) bool {
	limit := asked.GetLimitBytes()
	return bytes >= asked.GetRequiredBytes() && (limit == 0 || bytes <= limit)
}

// find returns a volume's size, or the error that CSI wants.
func find(p pool, id string) (int64, error) {
	bytes, err := p.find(id)
	switch {
	case isMissing(err):
		return 0, status.Errorf(codes.NotFound, "there is no volume %q", id)
	case err != nil:
		return 0, status.Error(codes.Internal, err.Error())
	}
	return bytes, nil
}

// check refuses what a directory cannot be: a block device, or a volume for pods of several nodes at once.
func check(wanted ...*csi.VolumeCapability) error {
	if len(wanted) == 0 {
		return status.Error(codes.InvalidArgument, "no capability is named")
	}
	for _, capability := range wanted {
		if capability.GetMount() == nil {
			return status.Error(codes.InvalidArgument, "a volume is a directory, never a block device")
		}
		switch capability.GetAccessMode().GetMode() {
		case csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER,
			csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER,
			csi.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER:
		default:
			return status.Error(codes.InvalidArgument, "a volume is for one node at a time")
		}
	}
	return nil
}
