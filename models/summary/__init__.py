"""What several arms say together: rates with intervals, comparisons, plots over all arms."""
