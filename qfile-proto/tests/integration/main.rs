//! The stream byte by byte, both ways, and the size of its decoder. (Verdict and edit request have their tests beside their code.)

mod decoded;
mod decoder_size;
mod golden;
mod identity;
mod input;
mod refused;
mod wireformat;
