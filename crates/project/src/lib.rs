//! Folder to Project and all diagnostics; YAML, templates, dbt projects; JSON Schema
