// Command probe runs in a pod and tries what pods need: the API server by its
// service address, with the mounted certificate and token, and the PostgreSQL
// server of the host, and itself through a service.
//
//	PROBE_POSTGRES  host:port of PostgreSQL
//	PROBE_SERVICE   URL of a service in front of this very pod
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := probe(ctx); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to cancel
	}
}

func probe(ctx context.Context) error {
	own, err := serve(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }() // the process ends
	for _, step := range []struct {
		name string
		try  func(context.Context) error
	}{{"API server by its service", apiServer}, {"PostgreSQL of the host", postgres}, {"a service in front of this pod", service}} {
		if err := retry(ctx, step.try); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Println("reached:", step.name)
	}
	return nil
}

// retry gives rules and endpoints the moment they need to appear.
func retry(ctx context.Context, try func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func serve(ctx context.Context) (io.Closer, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", ":8080")
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		ReadHeaderTimeout: time.Second,
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Println("serving:", err)
		}
	}()
	return server, nil
}

func apiServer(ctx context.Context) error {
	ca, err := os.ReadFile(serviceAccount + "ca.crt")
	if err != nil {
		return err
	}
	token, err := os.ReadFile(serviceAccount + "token")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	// Every service account may read this; nobody may without a valid token.
	return get(ctx, client, "https://"+host+"/apis", "Bearer "+string(token), http.StatusOK)
}

func service(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return get(ctx, client, os.Getenv("PROBE_SERVICE"), "", http.StatusNoContent)
}

func get(ctx context.Context, client *http.Client, url, authorization string, want int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody) //nolint:gosec // the pod is told whom to ask
	if err != nil {
		return err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(req) //nolint:gosec // likewise
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only the status is asked for
	if resp.StatusCode != want {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// postgres asks whether TLS is offered: the one question PostgreSQL answers
// with a single letter before any login.
func postgres(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", os.Getenv("PROBE_POSTGRES"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing was sent that matters
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	const length, sslRequest = 8, 80877103
	question := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), sslRequest)
	if _, err := conn.Write(question); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if answer[0] != 'N' && answer[0] != 'S' {
		return fmt.Errorf("answered %q, which PostgreSQL does not", answer)
	}
	return nil
}
