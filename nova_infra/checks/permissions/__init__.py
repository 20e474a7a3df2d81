"""The rules about permissions: what an approval protects, which roles code can reach, how large policies may be."""
