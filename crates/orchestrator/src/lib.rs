//! Scheduler, execution of stages, resume
