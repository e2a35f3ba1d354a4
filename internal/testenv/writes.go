package testenv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Writes lists the requests to write that went through the clients it counts.
// A request that changes nothing is one too: resource versions do not tell.
// The zero value is ready for use, also by several goroutines.
type Writes struct {
	mu   sync.Mutex
	sent []string
}

// refusedWrite marks a request that the API server did not accept.
const refusedWrite = "refused: "

// List returns every request so far, in order: a verb, what it was sent for,
// and for a status what it said. One that was not accepted begins with
// "refused: ".
func (w *Writes) List() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.sent...)
}

// Accepted returns the requests of List that the API server accepted.
func (w *Writes) Accepted() []string {
	var accepted []string
	for _, write := range w.List() {
		if !strings.HasPrefix(write, refusedWrite) {
			accepted = append(accepted, write)
		}
	}
	return accepted
}

func (w *Writes) add(err error, verb string, object any, more ...any) error {
	name := "?"
	if named, ok := object.(interface{ GetName() string }); ok {
		name = named.GetName()
	}
	write := strings.TrimSpace(fmt.Sprintln(append([]any{verb, fmt.Sprintf("%T", object), name}, more...)...))
	if err != nil {
		write = refusedWrite + write
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, write)
	return err
}

// Count wraps a client so that its requests to write are listed.
func (w *Writes) Count(c client.Client) client.Client {
	return interceptor.NewClient(withWatch{c}, interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return w.add(c.Apply(ctx, object, options...), "apply", object)
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return w.add(c.Create(ctx, object, options...), "create", object)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return w.add(c.Update(ctx, object, options...), "update", object)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return w.add(c.Patch(ctx, object, patch, options...), "patch", object)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return w.add(c.Delete(ctx, object, options...), "delete", object)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			data, err := patch.Data(object)
			if err != nil {
				return err
			}
			return w.add(c.SubResource(sub).Patch(ctx, object, patch, options...), "patch", object, sub, string(data))
		},
	})
}

// withWatch lets a client be intercepted that cannot watch.
type withWatch struct{ client.Client }

func (withWatch) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("this client cannot watch")
}
