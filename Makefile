# Everything a contributor types. `make` alone lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: services-up
services-up: ## Start real Kafka, Redis and PostgreSQL for tests
	@scripts/services.sh up

.PHONY: services-down
services-down: ## Stop them and remove their data
	@scripts/services.sh down
