package main

import (
	"fmt"
	"net/url"
	"regexp"
)

var imageLine = regexp.MustCompile(`(?m)^(  image: ).*$`)

// withImage replaces the image of the one RsolvDeployment in samples.
func withImage(samples, image string) (string, error) {
	if found := len(imageLine.FindAllString(samples, -1)); found != 1 {
		return "", fmt.Errorf("config/samples has %d images, want the one of the RsolvDeployment", found)
	}
	return imageLine.ReplaceAllString(samples, "${1}"+image), nil
}

var gateLine = regexp.MustCompile(`(?m)^(      duration: ).*$`)

// withShortGate lets a version that is not the first pass its gate in a
// moment. In life it is watched for minutes, for which a demo has no patience.
func withShortGate(samples string) (string, error) {
	if found := len(gateLine.FindAllString(samples, -1)); found != 1 {
		return "", fmt.Errorf("config/samples has %d gates, want the one of the RsolvDeployment", found)
	}
	return gateLine.ReplaceAllString(samples, "${1}10s"), nil
}

// withDatabase points a connection URL at another database of the server.
func withDatabase(connection, name string) (string, error) {
	parsed, err := url.Parse(connection)
	if err != nil {
		// The parser's error repeats the URL, which holds a password.
		return "", fmt.Errorf("the database URL is not a URL")
	}
	parsed.Path = "/" + name
	return parsed.String(), nil
}
