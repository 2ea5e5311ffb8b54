//! The stream byte by byte. (Verdict and edit request have their tests beside their code.)

mod decoded;
mod golden;
mod input;
mod refused;
mod wireformat;
