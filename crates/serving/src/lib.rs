//! Online store, endpoint router, prediction log
