//go:build !linux || !(amd64 || arm64)

package main

import "errors"

func evict(string) error {
	return errors.New("a file cannot be taken out of the page cache on this system")
}
