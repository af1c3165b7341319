"""What a slide is; reading it lazily, writing it; the phantom (synthetic sections with truth)."""
