/** 2⁻¹⁰⁰. What shares a scale and is smaller counts as zeros: an integer's largest value divided by it would overflow. */
export const SMALLEST: f32 = 7.888609052210118e-31;
