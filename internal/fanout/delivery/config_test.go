package delivery

import (
	"net/url"
	"strings"
	"testing"
)

func TestForwardProxyComplaints(t *testing.T) {
	for raw, complaint := range map[string]string{
		"http://proxy:3128": "", "https://us:pass@proxy": "", "http://10.0.0.1:3128/": "", "http://[fd00::1]:3128": "",
		"proxy:3128": "http://", "socks5://proxy:1080": "http://", "//proxy:3128": "http://", "http://": "name a host", "http://:3128": "name a host",
		"http://proxy:0": "port", "http://proxy:65536": "port", "http://proxy:": "port",
		"http://proxy/path": "end after", "http://proxy?x": "end after", "http://proxy#x": "end after",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		err = Config{ForwardProxy: u}.Validate()
		if (err == nil) != (complaint == "") || err != nil && !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v, want a complaint about %q", raw, err, complaint)
		}
	}
}

func TestCAComplaints(t *testing.T) {
	good := string(newAuthority(t).PEM)
	for _, test := range []struct{ bundle, complaint string }{
		{good, ""}, {"# ours\n" + good + "\n# theirs\n" + good, ""},
		{"hello", "no certificate"}, {"\n", "no certificate"},
		{strings.ReplaceAll(good, "CERTIFICATE", "PRIVATE KEY"), "block 1 is a PRIVATE KEY"},
		{good + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 2"},
		{good + good[:len(good)/2], "1 of 2 blocks"},
	} {
		err := Config{ExtraCAs: []byte(test.bundle)}.Validate()
		if (err == nil) != (test.complaint == "") || err != nil && !strings.Contains(err.Error(), test.complaint) {
			t.Errorf("%.60q…: %v, want a complaint about %q", test.bundle, err, test.complaint)
		}
	}
}
