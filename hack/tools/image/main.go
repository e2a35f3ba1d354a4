// Command image packs one static binary into a container image without a
// base image, a registry or a container engine. The result is an OCI layout in
// a tar file that also carries Docker's manifest, so that `ctr images import`,
// `docker load` and `crane push` all read it. The same input gives the same
// digest: entries are ordered, owned by root and dated at the Unix epoch.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	opts, err := parseFlags(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(opts, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// run builds the image, writes it and prints one line: name, digest, bytes.
func run(opts options, out io.Writer) error {
	built, err := build(opts)
	if err != nil {
		return err
	}
	size, err := writeArchive(opts.output, opts.name, built)
	if err != nil {
		return err
	}
	digest, err := built.Digest()
	if err != nil {
		return fmt.Errorf("computing the image digest: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s %s %d bytes\n", opts.name, digest, size)
	return err
}

// options is what the command line asks for.
type options struct {
	binary       string            // path on this machine
	entrypoint   string            // absolute path in the image
	args         []string          // arguments after the entrypoint
	name         string            // full reference with registry and tag
	output       string            // path of the tar file
	caFile       string            // path on this machine; empty: none
	files        []mapping         // further files and directories
	labels       map[string]string // OCI labels
	ports        []string          // "8080/tcp"
	allowDynamic bool              // accept a binary that needs a loader
}

// mapping places a file or directory of this machine in the image.
type mapping struct{ host, image string }

// defaultCAFile is where Debian keeps the certificates of public authorities.
const defaultCAFile = "/etc/ssl/certs/ca-certificates.crt"

func parseFlags(argv []string, usage io.Writer) (options, error) {
	opts := options{labels: map[string]string{}}
	set := flag.NewFlagSet("image", flag.ContinueOnError)
	set.SetOutput(usage)
	set.StringVar(&opts.binary, "binary", "", "the static `binary` to pack")
	set.StringVar(&opts.entrypoint, "entrypoint", "/app", "`path` of the binary in the image")
	set.StringVar(&opts.name, "name", "", "full image `reference`, such as docker.io/rsolv-dev/rsolv:dev")
	set.StringVar(&opts.output, "o", "", "tar `file` to write")
	set.StringVar(&opts.caFile, "ca", defaultCAFile, "CA certificates `file`; empty packs none")
	set.BoolVar(&opts.allowDynamic, "allow-dynamic", false, "accept a binary whose loader and libraries come by -file")
	set.Func("arg", "`argument` after the entrypoint; repeatable", func(v string) error {
		opts.args = append(opts.args, v)
		return nil
	})
	set.Func("file", "`host=path`: a file or directory to add; repeatable", func(v string) error {
		host, image, ok := strings.Cut(v, "=")
		if !ok || host == "" || !strings.HasPrefix(image, "/") {
			return errors.New("write it as host=path with an absolute path, such as LICENSE=/licenses/LICENSE")
		}
		opts.files = append(opts.files, mapping{host: host, image: image})
		return nil
	})
	set.Func("label", "`key=value`: an image label; repeatable", func(v string) error {
		key, value, ok := strings.Cut(v, "=")
		if !ok || key == "" {
			return errors.New("write it as key=value")
		}
		opts.labels[key] = value
		return nil
	})
	set.Func("port", "exposed `port`, such as 8080 or 8125/udp; repeatable", func(v string) error {
		port, err := parsePort(v)
		if err != nil {
			return err
		}
		opts.ports = append(opts.ports, port)
		return nil
	})
	if err := set.Parse(argv); err != nil {
		return options{}, err
	}
	return opts, opts.check(set.Args())
}

// parsePort accepts "8080" and "8125/udp" and returns the form OCI wants.
func parsePort(v string) (string, error) {
	number, protocol, found := strings.Cut(v, "/")
	if !found {
		protocol = "tcp"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || (protocol != "tcp" && protocol != "udp") {
		return "", errors.New("write a port between 1 and 65535, with /udp when it is not TCP")
	}
	return fmt.Sprintf("%d/%s", n, protocol), nil
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: every input has a flag, see -help", rest[0])
	case o.binary == "":
		return errors.New("-binary is missing: name the static binary to pack")
	case o.name == "":
		return errors.New("-name is missing: give the full reference, such as docker.io/rsolv-dev/rsolv:dev")
	case o.output == "":
		return errors.New("-o is missing: name the tar file to write")
	case !strings.HasPrefix(o.entrypoint, "/"):
		return fmt.Errorf("-entrypoint %q is not absolute: write /%s", o.entrypoint, o.entrypoint)
	}
	return checkReference(o.name)
}
