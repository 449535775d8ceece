package dev.tokenlog.engine.transformer;

/// Hears what goes into the matrices of a model while it reads a text, for calibration. Called on
/// the thread that steps, in the order of the pass; the arrays are the executor's own and change
/// afterwards.
public interface InputTap {

    /// Before a product.
    ///
    /// @param tensor the first of the matrices that are multiplied by the same input
    /// @param values a row of `width` numbers for each of `count` tokens
    /// @param residual the hidden states, a row for each of the tokens, that the product is added
    ///   to as it is; null where it is not, or where something is done to it before
    void input(String tensor, float[] values, int width, int count, float[] residual);

    /// After the last layer, before the last norm.
    void hidden(float[] values, int width, int count);

    /// Whether nothing more of this pass is of interest: what follows in it is then left out, and
    /// the sequences are of no use afterwards but to be read on in the same way.
    boolean isEnough();
}
