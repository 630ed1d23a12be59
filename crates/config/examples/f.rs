use telarch_config::oracle;
fn main(){
 let mut x:u64=std::env::args().nth(1).unwrap().parse().unwrap();
 let mut r=move||{x^=x<<13;x^=x>>7;x^=x<<17;x};
 let mut seeds=vec![];
 for t in ["config_toml","config_filter"]{ for e in std::fs::read_dir(format!("/work/main/fuzz/corpus/{t}")).unwrap(){seeds.push((t,std::fs::read(e.unwrap().path()).unwrap()));}}
 let dict:[&[u8];28]=[b"[Service]\n",b"[Service.Auth]\n",b"Service.Auth.Basic = true\n",b"\n",b"[[Listener]]\n",b"Address = \"*\"\n",b"Transport = \"HTTP\"\n",b"Client = {}\n",b"[Client.DefaultPorts]\n",b"#",b"\"",b"'''",b"\"\"\"",b"{",b"}",b"]",b"[",b".",b"=",b"Winrs.IdleTimeout=1\n",b"Winrs={IdleTimeout=1}\n",b"Service.Auth={}\n",b"MaxTimeoutms=1000\n",b"Preset='winrm-2.0'\n",b"\xEF\xBB\xBF",b"\r\n",b"Port=1\n",b"[Service.DefaultPorts]\n"];
 let start=std::time::Instant::now(); let mut n=0u64;
 while start.elapsed().as_secs()<90 {
  let (t,s)=&seeds[(r()%seeds.len() as u64) as usize]; let mut d=s.clone();
  for _ in 0..(1+r()%6){ let l=d.len() as u64; let p=(r()%(l+1)) as usize;
   match r()%5 {0 if p<d.len()=>{d[p]=r() as u8}, 1=>{let w=dict[(r()%28) as usize]; d.splice(p..p,w.iter().copied());}, 2 if l>0=>{let q=(p+(r()%20) as usize).min(d.len()); d.drain(p.min(q)..q);}, 3=>{ // line-level insert
       let ls:Vec<usize>=std::iter::once(0).chain(d.iter().enumerate().filter(|(_,b)|**b==b'\n').map(|(i,_)|i+1)).collect(); let q=ls[(r()%ls.len() as u64) as usize]; let w=dict[(r()%28) as usize]; d.splice(q..q,w.iter().copied());}, _=>{ let (_,o)=&seeds[(r()%seeds.len() as u64) as usize]; if !o.is_empty(){let a=(r()%o.len() as u64) as usize; let w:Vec<u8>=o[a..].iter().take(40).copied().collect(); d.splice(p..p,w);} } } }
  n+=1;
  if std::panic::catch_unwind(||{ if *t=="config_toml"{oracle::config_toml(&d)}else{oracle::config_filter(&d)}}).is_err(){ println!("CRASH {:?}",String::from_utf8_lossy(&d)); std::process::exit(1);} }
 println!("{n} cases");
}
