package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/zap"
)

// Config says where Redis is.
type Config struct {
	// URL is one of
	//	redis://user:password@host:6379/0            one server; rediss:// with TLS
	//	unix://user:password@/run/redis.sock?db=0    one server on this machine
	//	redis://h1:26379?addr=h2:26379&master_name=m Sentinel: the addresses are the sentinels'; sentinel_username and
	//	                                             sentinel_password are taken from the query
	//	redis://h1:6379?addr=h2:6379&cluster=true    Cluster; several addresses without master_name mean it too
	// and may have the client's own parameters in its query, such as pool_size=20 or skip_verify=true. With rediss://, which
	// goes for sentinels too, ca names a file with the authorities to trust in place of the system's, cert and key those
	// with the client's certificate, all PEM, and server_name the name that certificates are for in place of each address.
	URL string
	// Prefix begins each key and channel, so that several installations can share a Redis.
	Prefix string
	// CallTimeout bounds one call as a whole, connecting included; 0: 500 ms.
	CallTimeout time.Duration
	// Pause is for how long calls fail at once after a failure, before one is tried again; 0: 500 ms.
	Pause time.Duration
	// Metrics registers the client's metric; nil: it is not registered.
	Metrics prometheus.Registerer
	// Log is told when Redis stops answering and when it answers again; nil: nobody is.
	Log *zap.Logger
}

// Bounds of a single step; what the URL says goes before.
const (
	dialTimeout    = 2 * time.Second
	ioTimeout      = 500 * time.Millisecond
	defaultTimeout = 500 * time.Millisecond
	defaultPause   = 500 * time.Millisecond
)

var errURL = errors.New("redis URL: want redis://, rediss:// or unix://")

// options turns the URL into the client's options. Its errors hold no password.
func (cfg *Config) options() (*goredis.UniversalOptions, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix") {
		return nil, errURL // the cause quotes the URL
	}
	query := u.Query()
	extra := universal{
		addrs: query["addr"], master: query.Get("master_name"), cluster: query.Get("cluster") == "true",
		sentinelUser: query.Get("sentinel_username"), sentinelPassword: query.Get("sentinel_password"),
		files: files{ca: query.Get("ca"), cert: query.Get("cert"), key: query.Get("key"), serverName: query.Get("server_name")},
	}
	for _, own := range []string{"addr", "master_name", "cluster", "sentinel_username", "sentinel_password", "ca", "cert", "key", "server_name"} {
		query.Del(own)
	}
	u.RawQuery = query.Encode()
	single, err := goredis.ParseURL(u.String())
	if err != nil {
		return nil, fmt.Errorf("redis URL: %s", withoutSecrets(err, u, extra.sentinelPassword))
	}
	if err := errors.Join(extra.check(single, u.Scheme), extra.files.apply(single.TLSConfig)); err != nil {
		return nil, fmt.Errorf("redis URL: %w", err)
	}
	return extra.apply(single, u.Scheme == "unix"), nil
}

// universal is what the URL of one server cannot say.
type universal struct {
	addrs                          []string
	master                         string
	cluster                        bool
	sentinelUser, sentinelPassword string
	files                          files
}

// check refuses what contradicts itself, instead of leaving a part of it out.
func (e *universal) check(o *goredis.Options, scheme string) error {
	several := e.master != "" || e.cluster || len(e.addrs) > 0
	switch {
	case e.master != "" && e.cluster:
		return errors.New("master_name means Sentinel, cluster=true does not")
	case several && e.master == "" && o.DB != 0:
		return errors.New("a cluster has no databases")
	case several && scheme == "unix":
		return errors.New("unix:// is one server")
	case e.files != files{} && scheme != "rediss":
		return errors.New("ca, cert, key and server_name need rediss://")
	}
	return nil
}

func (e *universal) apply(o *goredis.Options, socket bool) *goredis.UniversalOptions {
	out := &goredis.UniversalOptions{
		Addrs:    append([]string{o.Addr}, e.addrs...),
		Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, Protocol: o.Protocol,
		MasterName: e.master, IsClusterMode: e.cluster, SentinelUsername: e.sentinelUser, SentinelPassword: e.sentinelPassword,
		DialTimeout: or(o.DialTimeout, dialTimeout), ReadTimeout: or(o.ReadTimeout, ioTimeout), WriteTimeout: or(o.WriteTimeout, ioTimeout),
		PoolSize: o.PoolSize, MinIdleConns: o.MinIdleConns, PoolTimeout: or(o.PoolTimeout, ioTimeout),
		ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime, ClientName: o.ClientName,
		// The caller goes on without Redis; trying again here would only hold it up.
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		// Older servers do not know the command behind it, and it is one more round trip.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if socket {
		out.Dialer = o.Dialer
		out.Addrs = []string{o.Addr}
	}
	if out.TLSConfig != nil {
		// The client's own dialer knows no context, so that a handshake would outlive its call.
		d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: out.DialTimeout}, Config: out.TLSConfig}
		out.Dialer = d.DialContext
	}
	return out
}

func or(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

// withoutSecrets is err's text with the passwords taken out.
func withoutSecrets(err error, u *url.URL, more ...string) string {
	text := err.Error()
	secrets := more
	if u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	for _, s := range secrets {
		if s != "" {
			text = strings.NewReplacer(s, "***", url.QueryEscape(s), "***", url.PathEscape(s), "***").Replace(text)
		}
	}
	return text
}
