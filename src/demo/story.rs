//! The story that `waypost demo` tells. Written by the integrator.

/// Runs it.
pub async fn run(once: bool) -> anyhow::Result<()> {
    let _ = once;
    todo!("integrator")
}
