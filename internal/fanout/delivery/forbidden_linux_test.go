package delivery

import (
	"fmt"
	"net/netip"
	"slices"
)

// specialNetworks are IANA's special-purpose registries for IPv4 and IPv6, whole, and what else is not the public
// internet: multicast, what is not assigned, what was given up, and single addresses that answer with secrets.
var specialNetworks = []string{
	"0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32",
	"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32",
	"224.0.0.0/4", "233.252.0.0/24",
	// Metadata services: EC2 and others, ECS tasks, Oracle, Alibaba, Azure.
	"169.254.169.254/32", "169.254.170.2/32", "192.0.0.192/32", "100.100.100.200/32", "168.63.129.16/32",

	"::/128", "::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
	"2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32",
	"2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48",
	"3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	// Not assigned: all but 2000::/3.
	"200::/7", "400::/6", "1000::/4", "4000::/3", "6000::/3", "8000::/3", "a000::/3", "c000::/3", "e000::/4", "fe00::/9",
	// Metadata services: EC2, Google, Oracle.
	"fd00:ec2::254/128", "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128",
}

// wrapped are IPv4 addresses that are forbidden also inside IPv6.
var wrapped = []string{"0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "168.63.129.16", "169.254.169.254", "172.16.0.1", "192.168.0.1"}

// forbiddenAddresses returns the first, the last and a middle address of every special network, and IPv4 in all
// wrappings of IPv6.
func forbiddenAddresses() []netip.Addr {
	var all []netip.Addr
	for _, text := range specialNetworks {
		p := netip.MustParsePrefix(text)
		all = append(all, p.Addr(), middle(p), last(p))
	}
	for _, text := range wrapped {
		b := netip.MustParseAddr(text).As4()
		hex := fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])
		inverse := fmt.Sprintf("%02x%02x:%02x%02x", ^b[0], ^b[1], ^b[2], ^b[3])
		for _, form := range []string{
			"::ffff:" + hex, "::" + hex, "::ffff:0:" + hex, // mapped, compatible, translated
			"64:ff9b::" + hex, "64:ff9b:1::" + hex, "64:ff9b:1:" + hex + "::", // NAT64
			"2002:" + hex + "::1", "2001::" + inverse, "2001:0:" + hex + "::1", // 6to4, Teredo: client and server
		} {
			all = append(all, netip.MustParseAddr(form))
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// last returns the last address of a network.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// middle returns the first address of the second half of a network.
func middle(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	if i := p.Bits(); i < len(b)*8 {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// publicAddresses may be reached: well-known ones, and the neighbours of what is forbidden.
var publicAddresses = []string{
	"8.8.8.8", "1.1.1.1", "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
	"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
	"192.0.1.0", "192.0.1.255", "192.0.3.0", "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0",
	"192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0", "198.17.255.255",
	"198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
	"2606:4700::1111", "2a00:1450:4001:800::200e", "2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::",
	"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::",
	"2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::",
	"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
}

// The sentences of CheckURL.
const (
	notPublic   = "must lead to a public address"
	notAnIP     = "must have a host name or a plain IP address"
	notAHost    = "must have a valid host name"
	notAURL     = "is not a valid URL"
	notHTTP     = "must begin with https:// or http://"
	noHost      = "must name a host, as in https://example.com/path"
	hasUser     = "must not contain a user name or password: use a custom header"
	hasFragment = "must not have a fragment (#)"
	hasSpaces   = "must not contain spaces, control characters or backslashes"
	noSuchPort  = "must have a port between 1 and 65535"
)

// disguised are URLs that lead some program or other to forbidden places, by what is said about them when they are
// saved.
var disguised = map[string][]string{
	notPublic: {
		"http://localhost:8080/", "http://LOCALHOST:8080/", "http://LocalHost./", "http://localhost:8080/../../", "http://a.b.localhost/",
		"https://localhost/", "https://127.0.0.1:8080/", "HTTP://127.0.0.1/", "hTTps://[::1]/", "http://127.0.0.1:6379/", "http://10.0.0.1:8080/latest/meta-data/",
		"http://169.254.169.254/latest/meta-data/iam/security-credentials/", "http://169.254.169.254:80/?x=8.8.8.8",
		"http://[fd00:ec2::254]/latest/meta-data/", "http://168.63.129.16/machine?comp=goalstate", "http://192.0.0.192/opc/v2/instance/",
		"http://[0:0:0:0:0:0:0:1]:8080/", "http://[0000::0001]/", "http://[::]:8080/", "http://[0:0::0:0]/", "http://0.0.0.0:8080/", "http://0.0.0.0/",
		"http://[::ffff:127.0.0.1]:8080/", "http://[::FFFF:7F00:1]:8080/", "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[::127.0.0.1]:8080/",
		"http://[::ffff:0:127.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::10.0.0.1]:8080/", "http://[2002:7f00:1::]/",
		"http://[::1%25lo]:8080/", "http://[fe80::1%25lo]:8080/", "http://[fe80::1%251]/", "http://[fe80::1%25eth0]/", "http://[fd00:ec2::254%25lo]/",
		"http://[::ffff:127.0.0.1%25lo]:8080/", "http://[::%25lo]/", "http://[2606:4700::1111%25lo]:8080/",
		"http://①②⑦.⓪.⓪.①:8080/", "http://１２７.０.０.１:8080/", "http://127。0。0。1:8080/", "http://127．0．0．1:8080/", "http://127｡0｡0｡1/",
		"http://①②⑦。⓪．⓪｡①/", "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/", "http://¹²⁷.⁰.⁰.¹/", "http://%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1:8080/", "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
		"http://１０.0.0.1/", "http://127.0.0.1\u00ad/", "http://127.0.0.\u200b1/",
		"http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:8080/", "http://ｌｏｃａｌｈｏｓｔ:8080/", "http://locaⅼhost/", "http://lo\u00adcalhost/", "http://localhoſt/", "http://ａ.localhost/",
	},
	notAnIP: {
		"http://127.1:8080/", "http://127.0.1:8080/", "http://0177.0.0.1:8080/", "http://0177.1/", "http://0x7f.0.0.1:8080/", "http://0x7f.1/",
		"http://0x7f000001:8080/", "http://0X7F000001/", "http://2130706433:8080/", "http://017700000001:8080/", "http://0:8080/", "http://00/", "http://0x0/",
		"http://0x/", "http://00.00.00.00/", "http://127.0.0.01/", "http://127.000.000.001:8080/", "http://127.0.0.1.:8080/", "http://10.1:8080/", "http://0xa.1/",
		"http://012.0.0.1/", "http://167772161/", "http://0xa9fea9fe:8080/", "http://2852039166/", "http://0251.0376.0251.0376/", "http://169.254.43518/",
		"http://192.168.257/", "http://3232235521/", "http://0xc0.0xa8.0.1/", "http://1.2.3.4.5/", "http://256.0.0.1/", "http://127.0.0.256/", "http://4294967297/",
		"http://18446744073709551617/", "http://0x17f000001/", "http://0x7f.0x0.0x0.0x1/", "http://example.com.127/", "http://8.8.8.8.127.0.0.1/", "http://１２７.１/",
		"http://２１３０７０６４３３/", "http://０ｘ７ｆ.１/", "http://⓪①⑦⑦.0.0.①/", "http://127。1/",
	},
	notAHost: {
		"http://127.0.0.1%25lo/", "http://127.0.0.1../", "http://.127.0.0.1/", "http://127..0.0.1/", "http://127.0.0.1,8.8.8.8/", "http://8.8.8.8;127.0.0.1/", "http://127.0.0.1$/", "http://:80/", "http://:8080/", "https://:443/",
		"http://١٢٧.٠.٠.١/", "http://127.0.0.1\u2024/",
	},
	notAURL: {
		"http://[::1/", "http://::1/", "http://::ffff:127.0.0.1/", "http://[::1]x/", "http://127.0.0.1:8080:80/", "http://127.0.0.1:-1/", "http://127.0.0.1:8o8o/",
		"http://%31%32%37.0.0.1/", "http://127.0.0.1%00/", "http://[v1.fe80::1]/", "http://%20/", "http+unix://%2frun%2fdocker.sock/", "http://%6cocalhost/", "http://127.0.0.1%0d%0aHost:x/", "http://[fe80::1%lo]/",
		"http://8.8.8.8:80@127.0.0.1:x/",
	},
	notHTTP: {
		"file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "ftp://127.0.0.1/", "dict://127.0.0.1:6379/info", "ldap://10.0.0.1/", "ws://127.0.0.1:8080/",
		"unix:///run/docker.sock", "http+unix://run/docker.sock", "javascript:alert(1)", "data:text/plain,x", "//127.0.0.1:8080/", "/127.0.0.1", "127.0.0.1",
		"localhost", "jar:http://127.0.0.1!/", "netdoc:///etc/passwd", "tcp://127.0.0.1:8080", "httpss://127.0.0.1/",
	},
	noHost: {"http:127.0.0.1:8080/", "http:/127.0.0.1:8080/", "http:///127.0.0.1:8080/", "https://", "http:?127.0.0.1", "http://?127.0.0.1/"},
	hasUser: {
		"http://example.com@127.0.0.1:8080/", "http://8.8.8.8:80@127.0.0.1:8080/", "http://127.0.0.1@8.8.8.8:8080/", "http://a:b@10.0.0.1:8080/",
		"http://@127.0.0.1:8080/", "http://:@127.0.0.1:8080/", "http://8.8.8.8%2f@127.0.0.1:8080/", "http://8.8.8.8%23@localhost:8080/", "http://a@[::1]:8080/",
		"http://127.0.0.1:8080@8.8.8.8:8080/", "http://127.0.0.1%2f@8.8.8.8/",
	},
	hasFragment: {"http://127.0.0.1:8080#@8.8.8.8/", "http://8.8.8.8:8080/#@127.0.0.1/", "http://8.8.8.8#.127.0.0.1"},
	hasSpaces: {
		`http://8.8.8.8\@127.0.0.1:8080/`, `http://127.0.0.1:8080\@8.8.8.8/`, `http:\\127.0.0.1:8080\`, "http://127.0.0.1 :8080/", " http://127.0.0.1/",
		"http://127.0.0.1\t/", "http://127.0.0.1\r\nHost: x/", "http://127.0.0.1\x00.example.com/", "http://8.8.8.8/ HTTP/1.1\r\nHost: 127.0.0.1",
	},
	noSuchPort: {"http://8.8.8.8:0/", "http://8.8.8.8:65536/", "http://8.8.8.8:99999/", "http://127.0.0.1:4294975376/"},
}

// forbiddenPorts belong to what is not the web, and must stay closed on public addresses too.
var forbiddenPorts = []int{1, 7, 19, 21, 22, 23, 25, 53, 79, 81, 88, 110, 111, 139, 143, 389, 444, 445, 465, 512, 587, 631, 873, 990, 1023}
