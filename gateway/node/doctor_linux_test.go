package node_test

import (
	"slices"
	"testing"

	"github.com/doorstroom/doorstroom/gateway/node"
)

func TestMountOf(t *testing.T) {
	const mounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=1000k
40 22 0:50 / /srv/door\040stroom rw,relatime - nfs4 server:/export rw,vers=4.2
41 22 8:2 / /srv/door rw,noatime - ext4 /dev/sdb1 rw,nobarrier
42 22 8:3 / /srv/door rw,noatime - xfs /dev/sdc1 rw,nobarrier
broken line
`
	for _, test := range []struct{ path, want, option string }{
		{"/srv/doorstroom/data", "ext4", "errors=remount-ro"},
		{"/srv/door stroom/data", "nfs4", "vers=4.2"},
		{"/srv/door/data", "xfs", "nobarrier"},
		{"/srv/door", "xfs", "noatime"},
		{"/run", "tmpfs", "nosuid"},
		{"/runaway", "ext4", "relatime"},
	} {
		if got, options := node.MountOf(mounts, test.path); got != test.want || !slices.Contains(options, test.option) {
			t.Errorf("%s: got %s %v, want %s with %s", test.path, got, options, test.want, test.option)
		}
	}
	if got, _ := node.MountOf("", "/srv"); got != "unknown" {
		t.Errorf("no mounts: got %s, want unknown", got)
	}
}
