package main

import (
	"strings"

	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

// placeholders is the check by RSOLV_PLACEHOLDERS, which the operator goes by
// too. With an error it is the built-in one.
func (p *program) placeholders() (contract.PlaceholderCheck, error) {
	builtIn := func(_, value string) bool { return contract.IsPlaceholder(value) }
	list, err := contract.ParsePlaceholders(p.getenv(contract.EnvPlaceholders))
	if err != nil {
		return builtIn, usagef("%s cannot be read: %v", contract.EnvPlaceholders, err)
	}
	check, err := list.Compile()
	if err != nil {
		return builtIn, usagef("%s cannot be used: %v", contract.EnvPlaceholders, err)
	}
	return check, nil
}

// isPlaceholder says whether the value of a variable, or a part of one, which
// has no name, stands for a value still to come.
func (p *program) isPlaceholder(variable, value string) bool {
	check, _ := p.placeholders() // the configuration check says what is wrong with the list
	return check(variable, value)
}

// unfilled says that a connection string is none yet.
func (p *program) unfilled(value string) bool {
	return strings.TrimSpace(value) == "" || p.isPlaceholder(contract.EnvDatabaseURL, value) || contract.HasHole(value)
}
