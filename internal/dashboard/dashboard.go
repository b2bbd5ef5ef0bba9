package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

// Dashboard serves the pages.
type dashboard struct {
	Deps
	cfg     Config
	log     *zap.Logger
	views   *views
	cookies *cookies
	mux     *http.ServeMux
	now     func() time.Time
}

// New returns the dashboard as one handler for everything that the API does not take. It starts nothing.
func New(cfg Config, deps Deps, log *zap.Logger) (http.Handler, error) {
	if err := errors.Join(cfg.Validate(), deps.Validate()); err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	cfg = cfg.withDefaults()
	sealer, err := newSealer(cfg.SessionKey)
	if err != nil {
		return nil, fmt.Errorf("dashboard: session key: %w", err)
	}
	views, err := newViews()
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	d := &dashboard{
		Deps: deps, cfg: cfg, log: log, views: views, mux: http.NewServeMux(), now: time.Now,
		cookies: &cookies{sealer: sealer, length: cfg.SessionLength, now: time.Now},
	}
	d.routes()
	return d.guard(http.NewCrossOriginProtection().Handler(d.mux)), nil
}

// routes is every page and act. What stands below /w/{workspace} names the scope that it needs.
func (d *dashboard) routes() {
	d.mux.Handle("GET /assets/{name}", d.views.assets)
	d.open("GET /login", d.loginPage)
	d.open("POST /login", d.login)
	d.open("POST /logout", d.logout)
	d.open("POST /theme", d.chooseTheme)
	d.open("/", d.nothing)
	d.signedIn("GET /{$}", d.home)
	d.signedIn("GET /workspaces", d.workspacesPage)
	d.signedIn("GET /open", d.openWorkspace)

	d.page("GET /w/{workspace}", auth.Read, d.workspaceHome)
	d.page("GET /w/{workspace}/webhooks", auth.Read, d.webhooksPage)
	d.page("GET /w/{workspace}/webhooks/new", auth.Write, d.newPage)
	d.page("POST /w/{workspace}/webhooks/new", auth.Read|auth.Write, d.tryFilter)
	d.page("POST /w/{workspace}/webhooks", auth.Write, d.create)
	const webhook = " /w/{workspace}/webhooks/{id}"
	d.page("GET"+webhook, auth.Read, d.webhookPage)
	d.page("GET"+webhook+"/edit", auth.Write, d.editPage)
	d.page("POST"+webhook+"/edit", auth.Write, d.edit)
	d.page("POST"+webhook+"/edit/try", auth.Read|auth.Write, d.tryFilter)
	d.page("GET"+webhook+"/edit/try", auth.Write, d.backToEdit)
	d.page("POST"+webhook+"/enable", auth.Write, d.enable)
	d.page("POST"+webhook+"/disable", auth.Write, d.disable)
	d.page("GET"+webhook+"/delete", auth.Write, d.deletePage)
	d.page("POST"+webhook+"/delete", auth.Write, d.remove)
	d.page("POST"+webhook+"/test", auth.Write, d.test)
	d.page("POST"+webhook+"/secret/reveal", auth.Write, d.reveal)
	d.page("GET"+webhook+"/secret/reveal", auth.Write, d.backToWebhook)
	d.page("GET"+webhook+"/secret/rotate", auth.Write, d.rotatePage)
	d.page("POST"+webhook+"/secret/rotate", auth.Write, d.rotate)
	d.page("POST"+webhook+"/secret/expire-previous", auth.Write, d.expirePrevious)

	d.page("GET /w/{workspace}/attempts/{id}", auth.Read, d.attemptPage)
	d.page("POST /w/{workspace}/attempts/{id}/signature", auth.Write, d.signature)
	d.page("GET /w/{workspace}/attempts/{id}/payload", auth.Read, d.attemptPayload)
	d.page("GET /w/{workspace}/attempts/{id}/response", auth.Read, d.attemptResponse)
	d.page("GET /w/{workspace}/deliveries/{id}", auth.Read, d.deliveryPage)
	d.page("GET /w/{workspace}/deliveries/{id}/payload", auth.Read, d.deliveryPayload)
	d.page("POST /w/{workspace}/deliveries/{id}/resend", auth.Replay, d.resend)
	d.page("POST /w/{workspace}/deliveries/{id}/cancel", auth.Replay, d.cancel)
	d.page("GET /w/{workspace}/events", auth.Read, d.eventsPage)
	d.page("GET /w/{workspace}/events/{id}", auth.Read, d.eventPage)
	d.page("GET /w/{workspace}/events/{id}/payload", auth.Read, d.eventPayload)
	d.page("GET /w/{workspace}/audit-log", auth.Read, d.auditPage)
	d.page("GET /w/{workspace}/api-keys", auth.Read, operatorOnly(d.keysPage))
	d.page("POST /w/{workspace}/api-keys", auth.Write, operatorOnly(d.createKey))
	d.page("POST /w/{workspace}/api-keys/{id}/revoke", auth.Write, operatorOnly(d.revokeKey))
}
