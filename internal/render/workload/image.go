package workload

import (
	"regexp"
	"strings"
)

var digested = regexp.MustCompile(`^(.+)@(sha256:[0-9a-f]{64})$`)

// Pin returns the image as declared, but by the digest that a node pulled it
// by, or "" when imageID, which is what the node's runtime calls the image,
// names no digest in the declared repository: an image that was imported and
// never pulled, or one that the node had already from elsewhere.
func Pin(image, imageID string) string {
	if digested.MatchString(image) {
		return image
	}
	if _, rest, found := strings.Cut(imageID, "://"); found {
		imageID = rest // docker-pullable://…
	}
	match := digested.FindStringSubmatch(imageID)
	repository := withoutTag(image)
	if match == nil || familiar(match[1]) != familiar(repository) {
		return ""
	}
	return repository + "@" + match[2]
}

// withoutTag cuts off the tag. A colon before the last slash is a port.
func withoutTag(image string) string {
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		return image[:colon]
	}
	return image
}

// familiar is a repository with the parts that may be left out: Docker Hub,
// and its folder for official images.
func familiar(repository string) string {
	first, _, slash := strings.Cut(repository, "/")
	switch {
	case !slash:
		return "docker.io/library/" + repository
	case first == "localhost" || strings.ContainsAny(first, ".:"):
		return repository
	default:
		return "docker.io/" + repository
	}
}
