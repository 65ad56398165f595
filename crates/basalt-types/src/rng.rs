//! Randomness as a parameter.

/// Where random bytes come from; suitable for keys and tokens.
pub trait Rng: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);

    /// A version 4 UUID (RFC 9562, section 5.4).
    fn uuid(&self) -> uuid::Uuid {
        let mut bytes = [0u8; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, buffer: &mut [u8]) {
        // Without randomness no key or token is safe; there is no way to go on.
        getrandom::fill(buffer).expect("the operating system's random generator answers");
    }
}
