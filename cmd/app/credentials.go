package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/app"
	"github.com/rsolv-dev/rsolv-operator/internal/app/credentials"
	"github.com/rsolv-dev/rsolv-operator/internal/app/metrics"
	"github.com/rsolv-dev/rsolv-operator/internal/app/postgres"
)

// Variables of the AI providers.
const (
	envMint             = "CREDENTIALS_MINT"
	envStatic           = "CREDENTIALS_STATIC"
	envProvisioningKey  = "OPENROUTER_PROVISIONING_KEY"
	envOpenRouterURL    = "OPENROUTER_BASE_URL"
	envOpenRouterBudget = "OPENROUTER_KEY_LIMIT_USD"
)

// staticSecrets are where a provider's configured key is found.
var staticSecrets = map[app.Provider]string{
	app.ProviderAnthropic: "ANTHROPIC_API_KEY", app.ProviderOpenAI: "OPENAI_API_KEY",
	app.ProviderOpenRouter: "OPENROUTER_API_KEY", app.ProviderOllama: "OLLAMA_API_KEY",
}

// providerSettings are the ways to credentials of AI providers.
type providerSettings struct {
	minters map[app.Provider]credentials.Minter
	static  map[app.Provider]string
	// warnings are providers that were asked for and have no secret.
	warnings []string
}

// providers reads CREDENTIALS_MINT and CREDENTIALS_STATIC, the providers whose
// keys are minted and those whose configured key is given out. A provider
// without a secret is left out and warned of: a made-up key would fail later,
// and elsewhere.
func (p *program) providers() (providerSettings, error) {
	s := providerSettings{minters: map[app.Provider]credentials.Minter{}, static: map[app.Provider]string{}}
	mint, err := p.providerList(envMint)
	if err != nil {
		return s, err
	}
	static, err := p.providerList(envStatic)
	if err != nil {
		return s, err
	}
	if p.getenv(envProvisioningKey) != "" && p.getenv(envMint) == "" {
		mint = []app.Provider{app.ProviderOpenRouter}
	}
	for _, provider := range mint {
		if provider != app.ProviderOpenRouter {
			return s, usagef("%s contains %q: keys can be minted at openrouter only; %s gives a configured key out",
				envMint, provider, envStatic)
		}
		minter, err := p.openRouter()
		if err != nil {
			return s, err
		}
		if minter.ProvisioningKey == "" {
			s.warnings = append(s.warnings, fmt.Sprintf("%s names openrouter, but %s is not set: no key can be minted", envMint, envProvisioningKey))
			continue
		}
		s.minters[provider] = minter
	}
	for _, provider := range static {
		secret := p.getenv(staticSecrets[provider])
		if strings.TrimSpace(secret) == "" || p.isPlaceholder(staticSecrets[provider], secret) {
			s.warnings = append(s.warnings, fmt.Sprintf("%s names %s, but %s holds no key: it is not offered",
				envStatic, provider, staticSecrets[provider]))
			continue
		}
		s.static[provider] = secret
	}
	return s, nil
}

func (p *program) openRouter() (*credentials.OpenRouter, error) {
	o := &credentials.OpenRouter{
		BaseURL: credentials.OpenRouterURL, ProvisioningKey: p.getenv(envProvisioningKey), SpendLimit: credentials.DefaultSpendLimit,
	}
	if text := p.getenv(envOpenRouterURL); text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return nil, usagef("%s is no http or https URL: use %s", envOpenRouterURL, credentials.OpenRouterURL)
		}
		o.BaseURL = strings.TrimRight(text, "/")
	}
	if text := p.getenv(envOpenRouterBudget); text != "" {
		limit, err := strconv.ParseFloat(text, 64)
		if err != nil || limit <= 0 || limit > 1000 {
			return nil, usagef("%s is %q: use an amount of US dollars above 0 and up to 1000, such as 5", envOpenRouterBudget, text)
		}
		o.SpendLimit = limit
	}
	return o, nil
}

func (p *program) providerList(name string) ([]app.Provider, error) {
	var list []app.Provider
	for part := range strings.SplitSeq(p.getenv(name), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if !app.Provider(part).Known() {
			return nil, usagef("%s contains %q: use anthropic, openai, openrouter or ollama, separated by commas", name, part)
		}
		list = append(list, app.Provider(part))
	}
	return list, nil
}

func (p *program) credentials(store *postgres.Store, m *metrics.Metrics, log *slog.Logger) (*credentials.Service, []string, error) {
	settings, err := p.providers()
	if err != nil {
		return nil, nil, err
	}
	for _, warning := range settings.warnings {
		log.Warn("a provider is not offered", "reason", warning)
	}
	service, err := credentials.New(credentials.Options{
		Store: store, Log: log, Now: p.now, Metrics: m, Minters: settings.minters, Static: settings.static,
	})
	return service, settings.warnings, err
}
