package subscription

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/internal/sqldb"
	"github.com/voxagent/dispatcher/pkg/event"
)

// A key's text is its id, an underscore, a random part and a checksum: key_01K…_<43 characters><6 characters>. The
// checksum lets a typo or a random string be refused without a query, and secret scanners be sure of a hit.
const (
	base62         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keySecretLen   = 43 // log2(62^43) = 256 bits
	keyChecksumLen = 6  // 62^6 > 2^32
)

// allScopes are the scopes of a key that names none.
var allScopes = []Scope{ScopeRead, ScopeWrite, ScopeReplay}

func newKeyText(id string) string {
	buf := make([]byte, 0, keySecretLen)
	for len(buf) < keySecretLen {
		var b [64]byte
		rand.Read(b[:])
		for _, c := range b {
			if c < 4*62 && len(buf) < keySecretLen { // the rest would make the first characters likelier
				buf = append(buf, base62[c%62])
			}
		}
	}
	text := id + "_" + string(buf)
	return text + checksum(text)
}

func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var out [keyChecksumLen]byte
	for i := keyChecksumLen - 1; i >= 0; i-- {
		out[i] = base62[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// keyID returns the id within a key's text, if the text can be a key at all.
func keyID(text string) (string, bool) {
	cut := len(text) - keySecretLen - keyChecksumLen - 1
	if cut <= len(event.PrefixKey) || text[cut] != '_' || !strings.HasPrefix(text, event.PrefixKey) {
		return "", false
	}
	body := text[:len(text)-keyChecksumLen]
	return text[:cut], checksum(body) == text[len(body):]
}

// CreateAPIKey implements Repository.
func (s *Store) CreateAPIKey(ctx context.Context, actor Actor, workspace string, n NewAPIKey) (APIKey, string, error) {
	if err := s.checkNewKey(workspace, &n); err != nil {
		return APIKey{}, "", err
	}
	now := s.now()
	key := APIKey{
		ID: event.NewID(event.PrefixKey, now), WorkspaceID: workspace, Name: n.Name, Scopes: inOrder(n.Scopes),
		CreatedAt: now, ExpiresAt: n.ExpiresAt.UTC().Truncate(time.Millisecond),
	}
	text := newKeyText(key.ID)
	hash := sha256.Sum256([]byte(text))
	err := s.db.Tx(ctx, func(tx *sqldb.Tx) error {
		first, err := s.claim(ctx, tx, workspace, key.ID, n.Idempotency)
		if err == nil && first != "" {
			err = fmt.Errorf("%s: %w", first, ErrKeyShown)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO api_keys (id, workspace_id, name, scopes, hash, created_at, expires_at, last_used_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, 0)`, key.ID, workspace, key.Name, joinScopes(key.Scopes), hash[:], millis(now), millis(key.ExpiresAt))
		if err != nil {
			return err
		}
		return appendAudit(ctx, tx, actor, entry{workspace, "api_key.create", key.ID, nil, keyView(&key)}, now)
	})
	if err != nil {
		return APIKey{}, "", fmt.Errorf("create API key in %s: %w", workspace, err)
	}
	return key, text, nil
}

func (s *Store) checkNewKey(workspace string, n *NewAPIKey) error {
	if err := checkWorkspace(workspace); err != nil {
		return err
	}
	var faults Invalid
	if n.Name == "" || utf8.RuneCountInString(n.Name) > maxKeyName || !isText(n.Name) {
		faults.add("body.name", fmt.Sprintf("want 1 to %d characters of text", maxKeyName), nil)
	}
	for i, scope := range n.Scopes {
		if !slices.Contains(allScopes, scope) {
			faults.add(fmt.Sprintf("body.scopes[%d]", i), "want read, write or replay", shorten(string(scope)))
		}
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(s.now()) {
		faults.add("body.expires_at", "is in the past", n.ExpiresAt)
	}
	checkIdempotency(&faults, n.Idempotency)
	return faults.orNil()
}

// inOrder is the scopes each once, in the order of allScopes; all for none.
func inOrder(scopes []Scope) []Scope {
	out := slices.Clone(allScopes)
	if len(scopes) == 0 {
		return out
	}
	return slices.DeleteFunc(out, func(s Scope) bool { return !slices.Contains(scopes, s) })
}

func joinScopes(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, scope := range scopes {
		words[i] = string(scope)
	}
	return strings.Join(words, " ")
}

func keyView(k *APIKey) map[string]any {
	view := map[string]any{"name": k.Name, "scopes": k.Scopes}
	if !k.ExpiresAt.IsZero() {
		view["expires_at"] = k.ExpiresAt
	}
	return view
}

const keyColumns = `created_at, id, workspace_id, name, scopes, expires_at, last_used_at`

// scan reads keyColumns, then what after takes.
func (k *APIKey) scan(from scanner, after ...any) (created int64, err error) {
	var scopes string
	var expires, used int64
	err = from.Scan(append([]any{&created, &k.ID, &k.WorkspaceID, &k.Name, &scopes, &expires, &used}, after...)...)
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = fromMillis(created), fromMillis(expires), fromMillis(used)
	for scope := range strings.FieldsSeq(scopes) {
		k.Scopes = append(k.Scopes, Scope(scope))
	}
	return created, err
}

// APIKeys implements Repository.
func (s *Store) APIKeys(ctx context.Context, workspace string, page Page) (List[APIKey], error) {
	const query = `SELECT ` + keyColumns + ` FROM api_keys WHERE workspace_id = ? AND (created_at < ? OR created_at = ? AND id < ?)
		ORDER BY created_at DESC, id DESC LIMIT ?`
	return newest(ctx, s.db, query, workspace, page, func(from scanner) (k APIKey, at int64, err error) {
		at, err = k.scan(from)
		return k, at, err
	}, func(k *APIKey) string { return k.ID })
}

// RevokeAPIKey implements Repository.
func (s *Store) RevokeAPIKey(ctx context.Context, actor Actor, workspace, id string) error {
	if !isText(workspace) || !isText(id) {
		return fmt.Errorf("revoke API key: %w", ErrNotFound)
	}
	err := s.write(ctx, change{kind: changeAPIKey, workspace: workspace, target: id}, func(tx *sqldb.Tx) (bool, error) {
		var k APIKey
		_, err := k.scan(tx.QueryRow(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE workspace_id = ? AND id = ?`+lockRow(tx), workspace, id))
		if errors.Is(err, sql.ErrNoRows) {
			return false, ErrNotFound
		}
		if err != nil {
			return false, err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM api_keys WHERE workspace_id = ? AND id = ?`, workspace, id); err != nil {
			return false, err
		}
		return true, appendAudit(ctx, tx, actor, entry{workspace, "api_key.revoke", id, keyView(&k), nil}, s.now())
	})
	if err != nil {
		return fmt.Errorf("revoke API key %s: %w", id, err)
	}
	return nil
}

// usedPrecision is how fresh last_used_at is kept: one write a minute for a busy key.
const usedPrecision = time.Minute

// Authenticate implements Repository. It asks the database each time, so a revoked key ends at once.
func (s *Store) Authenticate(ctx context.Context, text string) (APIKey, error) {
	id, ok := keyID(text)
	if !ok {
		return APIKey{}, ErrKey
	}
	var k APIKey
	var want []byte
	_, err := k.scan(s.db.QueryRow(ctx, `SELECT `+keyColumns+`, hash FROM api_keys WHERE id = ?`, id), &want)
	if errors.Is(err, sql.ErrNoRows) {
		return APIKey{}, ErrKey
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("read API key: %w", err)
	}
	hash := sha256.Sum256([]byte(text))
	now := s.now()
	if subtle.ConstantTimeCompare(hash[:], want) != 1 || (!k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)) {
		return APIKey{}, ErrKey
	}
	if now.Sub(k.LastUsedAt) < usedPrecision {
		return k, nil
	}
	if _, err := s.db.Exec(ctx, `UPDATE api_keys SET last_used_at = ? WHERE id = ?`, millis(now), id); err != nil {
		return APIKey{}, fmt.Errorf("note use of API key: %w", err)
	}
	k.LastUsedAt = now
	return k, nil
}
