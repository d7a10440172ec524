//! Diagnostic, codes, spans, renderers for terminal, JSON and HTTP
