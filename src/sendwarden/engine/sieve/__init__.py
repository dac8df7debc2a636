"""Sieve (RFC 5228) with the extensions that mail servers use, and Messaging Server's dialect.

Stages, one file each: `lex` (text to tokens), `parse` (tokens to a generic tree), `compile` (the tree, by the
specs of a `registry.Language`, to closures), `run` (closures over one message, giving an Outcome). `text`,
`matching` and `mail` hold what tests share. Each extension is one file under `ext` and one line in
`ext.CAPABILITIES`.

Nothing here carries an action out: an Outcome says what the script wants, the caller decides what becomes of
it. docs/supported-sieve.md lists capabilities, limits and the public extension hook.
"""
