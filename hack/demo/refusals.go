package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/test/harness"
)

// refuseFlagName declares the flag whose name once kept a launch down for five
// hours, and expects the API server to refuse it.
func (d *demo) refuseFlagName(ctx context.Context) error {
	const wrong = `{apiVersion: rsolv.dev/v1alpha1, kind: FeatureFlag, metadata: {name: wrong}, spec: {key: rsolv_blog, deploymentRef: {name: rsolv}, defaultVariant: enabled}}`
	d.ran("kubectl apply -f -   # a FeatureFlag with key: rsolv_blog")
	_, err := d.cluster.Apply(ctx, wrong)
	var refused *harness.KubectlError
	if !errors.As(err, &refused) {
		return fmt.Errorf("the key rsolv_blog was not refused; error: %w", errOrNone(err))
	}
	d.block(refused.Stderr)
	if !strings.Contains(refused.Stderr, `use "blog"`) {
		return errors.New("the refusal does not name the right key")
	}
	return nil
}

var errNone = errors.New("none")

// errOrNone stands in for an error that did not happen where a message tells
// of both an unexpected value and its error.
func errOrNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// holdPlaceholder empties a required secret the way a careless overlay does,
// and expects the rollout to be held while the running pods keep serving with
// the values they have.
func (d *demo) holdPlaceholder(ctx context.Context) error {
	key, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "secret", "rsolv-stripe", "-o", "jsonpath={.data.STRIPE_API_KEY}")
	if err != nil {
		return err
	}
	d.ran(`kubectl patch secret rsolv-stripe -p '{"stringData":{"STRIPE_API_KEY":"changeme"}}'`)
	if err := d.patchSecret(ctx, `{"stringData":{"STRIPE_API_KEY":"changeme"}}`); err != nil {
		return err
	}
	if err := d.waitFor(ctx, "False"); err != nil {
		return err
	}
	message, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "get", "rd", app,
		"-o", `jsonpath={.status.conditions[?(@.type=="SecretsReady")].message}`)
	if err != nil {
		return err
	}
	d.block(message)
	if !strings.Contains(message, "rsolv-stripe") || !strings.Contains(message, "STRIPE_API_KEY") {
		return errors.New("the condition does not name the secret and the key")
	}
	if strings.Contains(message, "changeme") {
		return errors.New("the condition repeats the secret's value")
	}
	if status, err := d.status(ctx, "/health"); err != nil || status != 200 {
		return fmt.Errorf("the running app answers %d (error: %w) while the rollout is held, want 200", status, errOrNone(err))
	}
	d.say("the app still answers 200, with the values it has")
	if err := d.patchSecret(ctx, `{"data":{"STRIPE_API_KEY":"`+key+`"}}`); err != nil {
		return err
	}
	return d.waitFor(ctx, "True")
}

func (d *demo) patchSecret(ctx context.Context, patch string) error {
	_, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "patch", "secret", "rsolv-stripe", "--type=merge", "-p", patch)
	return err
}

func (d *demo) waitFor(ctx context.Context, secretsReady string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := d.cluster.Kubectl(ctx, nil, "-n", harness.Namespace, "wait", "rd", app,
		"--for=condition=SecretsReady="+secretsReady, "--timeout=30s")
	if err != nil {
		return d.explain(ctx, err)
	}
	return nil
}
