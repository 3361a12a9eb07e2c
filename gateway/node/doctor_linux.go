package node

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// diskOf gives the room that is left for this user where a path lies, the kind
// of file system and its mount options.
func diskOf(path string) (free int64, fsType string, options []string, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, "", nil, err
	}
	free = int64(s.Bavail) * int64(s.Bsize)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return free, "unknown", nil, nil
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return 0, "", nil, err
	}
	fsType, options = mountOf(string(mounts), path)
	return free, fsType, options, nil
}

// mountOf finds the mount of a path in the form of proc_pid_mountinfo(5): the
// longest mount point above it, and of equal ones the last.
func mountOf(mountinfo, path string) (fsType string, options []string) {
	fsType = "unknown"
	longest := -1
	for line := range strings.Lines(mountinfo) {
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		place, kind := strings.Fields(left), strings.Fields(right)
		if !ok || len(place) < 6 || len(kind) < 3 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(place[4])
		above := point == "/" || path == point || strings.HasPrefix(path, point+"/")
		if above && len(point) >= longest {
			longest, fsType = len(point), kind[0]
			options = append(strings.Split(place[5], ","), strings.Split(kind[2], ",")...)
		}
	}
	return fsType, options
}

// openFiles is how many files this process may have open.
func openFiles() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}
