//! Time lines of one upstream.
