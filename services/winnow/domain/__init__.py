"""Words of the domain: frozen values, label states, ledger rules, errors. Standard library only."""
