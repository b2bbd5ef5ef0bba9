package dashboard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// session is what a cookie holds, sealed: the key itself, so that each request can ask whether it is still good. Only
// this program can open it, and it opens nothing else: the cookie's name is authenticated with it.
type session struct {
	Key     string    `json:"k"`
	Expires time.Time `json:"e"`
}

var errSession = errors.New("no session")

// sealer seals cookies with AES-256-GCM: nonce, then ciphertext.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealer{aead}, err
}

func (s sealer) seal(name string, v session) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(name))), nil
}

func (s sealer) open(name, text string) (session, error) {
	var v session
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < s.aead.NonceSize() {
		return v, errSession
	}
	cut := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, b[:cut], b[cut:], []byte(name))
	if err != nil {
		return v, errSession
	}
	if err := json.Unmarshal(plain, &v); err != nil {
		return v, errSession
	}
	return v, nil
}

// cookies reads and writes the cookies of the dashboard.
type cookies struct {
	sealer
	length time.Duration
	now    func() time.Time
}

// secure says that the reader comes over TLS, wherever it ends: whoever knows that it ended in front of this process gives the
// request's URL the scheme https.
func secure(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }

// name of the session's cookie: over TLS the browser itself keeps other hosts and paths from setting it.
func (c *cookies) name(r *http.Request) string {
	if secure(r) {
		return "__Host-session"
	}
	return "session"
}

// start begins a session with the key.
func (c *cookies) start(w http.ResponseWriter, r *http.Request, key string) error {
	expires := c.now().Add(c.length)
	value, err := c.seal(c.name(r), session{Key: key, Expires: expires})
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name: c.name(r), Value: value, Path: "/", Expires: expires, MaxAge: int(c.length / time.Second),
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode,
	})
	return nil
}

// key returns the key of the request's session.
func (c *cookies) key(r *http.Request) (string, error) {
	cookie, err := r.Cookie(c.name(r))
	if err != nil {
		return "", errSession
	}
	s, err := c.open(c.name(r), cookie.Value)
	if err != nil || !c.now().Before(s.Expires) {
		return "", errSession
	}
	return s.Key, nil
}

// end forgets the session.
func (c *cookies) end(w http.ResponseWriter, r *http.Request) { c.clear(w, r, c.name(r)) }

func (c *cookies) clear(w http.ResponseWriter, r *http.Request, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode,
	})
}

const (
	themeCookie = "theme"
	flashCookie = "flash"
)

// set writes a small cookie that only this dashboard reads and that is no secret.
func (c *cookies) set(w http.ResponseWriter, r *http.Request, name, value string, length time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(length / time.Second),
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode,
	})
}

// theme is light or dark as the reader chose, else empty.
func theme(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil || (c.Value != "light" && c.Value != "dark") {
		return ""
	}
	return c.Value
}
