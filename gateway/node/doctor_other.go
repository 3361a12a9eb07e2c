//go:build !linux

package node

import "errors"

func diskOf(string) (free int64, fsType string, options []string, err error) {
	return 0, "", nil, errors.ErrUnsupported
}

func openFiles() (uint64, error) { return 0, errors.ErrUnsupported }
