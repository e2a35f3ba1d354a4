// Package content holds what the site publishes, compiled into the app.
package content

import "embed"

// Files holds the blog posts as blog/SLUG.md: Markdown with YAML front matter.
//
//go:embed blog/*.md
var Files embed.FS
