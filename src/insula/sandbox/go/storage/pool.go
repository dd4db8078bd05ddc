package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// pool is the directory of all volumes. It is the only record of them: POOL/ID/bytes holds a volume's size, which is a
// promise that nothing enforces, and POOL/ID/data is what pods see. Names that begin with a dot are unfinished volumes.
type pool string

// ids are names of directories: anything else could lead out of the pool.
var ids = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func (p pool) data(id string) string { return filepath.Join(string(p), id, "data") }

func (p pool) size(id string) string { return filepath.Join(string(p), id, "bytes") }

// find returns a volume's size in bytes; a volume that is not there has an error of fs.ErrNotExist.
func (p pool) find(id string) (int64, error) {
	if !ids.MatchString(id) {
		return 0, fmt.Errorf("no volume can be named %q: %w", id, fs.ErrNotExist)
	}
	text, err := os.ReadFile(p.size(id))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// create makes a volume; it appears whole. Like a fresh file system it belongs to root, and kubelet gives it to the pod.
func (p pool) create(id string, bytes int64) error {
	draft := filepath.Join(string(p), "."+id)
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(draft, "data"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(draft, "bytes"), line(bytes), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(string(p), id))
}

// grow promises a volume another size.
func (p pool) grow(id string, bytes int64) error {
	draft := p.size(id) + ".new"
	if err := os.WriteFile(draft, line(bytes), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, p.size(id))
}

// remove deletes a volume with its data; one that is not there, or is half removed, is no error.
func (p pool) remove(id string) error {
	if !ids.MatchString(id) {
		return nil
	}
	return os.RemoveAll(filepath.Join(string(p), id))
}

func line(bytes int64) []byte { return []byte(strconv.FormatInt(bytes, 10) + "\n") }

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
