//! Tables and random sequences for the breaker.
