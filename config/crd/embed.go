// Package crd carries the generated CustomResourceDefinitions, for programs
// that validate without a cluster.
package crd

import "embed"

// Bases holds one YAML file for each kind, under bases/.
//
//go:embed bases/*.yaml
var Bases embed.FS
