"""
The papers: receipts, invoices, statements and lists as PDF, XLSX, CSV and text; QR and charts.

Every paper is made of its own plain values, which the caller fills; nothing here knows how they
are stored. Whatever takes long is plain code that runs in a thread, or says how far it is.
"""
