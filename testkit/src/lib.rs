//! Test project harness and contract suites.
