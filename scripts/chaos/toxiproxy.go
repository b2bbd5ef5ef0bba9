package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// toxiproxy is the running proxy server, driven through its HTTP API.
type toxiproxy struct {
	cmd *exec.Cmd
	url string
}

// startToxiproxy starts the server and waits until it answers.
func startToxiproxy(ctx context.Context, program, dir string) (*toxiproxy, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "toxiproxy.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(program, "-host", "127.0.0.1", "-port", fmt.Sprint(port)) //nolint:noctx // stopped at the end, in order
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start toxiproxy: %w", err)
	}
	t := &toxiproxy{cmd: cmd, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	err = poll(ctx, 10*time.Second, "toxiproxy to answer", func() error {
		return t.call(ctx, http.MethodGet, "/version", nil)
	})
	return t, err
}

func (t *toxiproxy) stop() {
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
}

// proxy opens a port that leads to a service.
func (t *toxiproxy) proxy(ctx context.Context, name, listen, upstream string) error {
	return t.call(ctx, http.MethodPost, "/proxies",
		map[string]any{"name": name, "listen": listen, "upstream": upstream, "enabled": true})
}

// enable opens the port, or closes it with all its connections.
func (t *toxiproxy) enable(ctx context.Context, proxy string, on bool) error {
	return t.call(ctx, http.MethodPost, "/proxies/"+proxy, map[string]any{"enabled": on})
}

// poison makes the proxy's connections suffer, in both directions.
func (t *toxiproxy) poison(ctx context.Context, proxy, toxic string, attributes map[string]any) error {
	var errs []error
	for _, stream := range []string{"upstream", "downstream"} {
		errs = append(errs, t.call(ctx, http.MethodPost, "/proxies/"+proxy+"/toxics", map[string]any{
			"name": stream, "type": toxic, "stream": stream, "attributes": attributes,
		}))
	}
	return errors.Join(errs...)
}

// cure undoes poison.
func (t *toxiproxy) cure(ctx context.Context, proxy string) error {
	var errs []error
	for _, stream := range []string{"upstream", "downstream"} {
		errs = append(errs, t.call(ctx, http.MethodDelete, "/proxies/"+proxy+"/toxics/"+stream, nil))
	}
	return errors.Join(errs...)
}

func (t *toxiproxy) call(ctx context.Context, method, path string, body any) error {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	_, err := call(ctx, method, t.url+path, "", send)
	return err
}

// call makes an HTTP call and returns the answer's body; a status that is no success is an error.
func call(ctx context.Context, method, url, key string, body io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, strings.TrimSpace(string(answer)))
	}
	return answer, nil
}
