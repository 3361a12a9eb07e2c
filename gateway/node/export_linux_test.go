package node

// MountOf lets tests give other mounts than those of this machine.
func MountOf(mountinfo, path string) (fsType string, options []string) {
	return mountOf(mountinfo, path)
}
