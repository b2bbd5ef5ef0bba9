package redistest

import (
	"fmt"
	"strings"
)

// Prefix is what all keys of the user begin with, and its channels.
const Prefix = "voxagent:"

const (
	userName     = "voxagent"
	userPassword = "the-users-password"
)

// Rights are the commands that the program's user needs, whatever kind of Redis it is.
const Rights = "+get +mget +set +getrange +eval +evalsha +time +ping +publish +subscribe"

// ClusterRights are needed besides, in a cluster only. Without the first one all works, but servers refuse it again and again.
const ClusterRights = "+command +cluster|slots"

// SentinelRights are needed by the user that sentinels know, if they know users.
const SentinelRights = "+sentinel|get-master-addr-by-name +sentinel|sentinels +ping +subscribe"

// user is the line of redis.conf, or of an ACL file, that makes the program's user.
func user(rights string) string {
	return fmt.Sprintf("user %s on >%s ~%s* &%[3]s* -@all %s", userName, userPassword, Prefix, rights)
}

var sentinelUser = strings.Join([]string{"user", userName, "on", ">" + userPassword, "&*", "-@all", SentinelRights}, " ")
